"""Pictures to tracks: model manifest, session, YOLO pre and post, motion gate, tracker."""
