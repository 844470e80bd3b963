"""Cameras in: sources, grabber threads, mailboxes, packet rings, stream faults."""
