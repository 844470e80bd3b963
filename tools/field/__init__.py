"""Tools for the box in the field: provisioning and soak."""
