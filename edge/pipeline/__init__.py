# SPDX-License-Identifier: AGPL-3.0-or-later
"""The pipeline of one camera, in the order in which data flows.

feed (edge.camera.feed) -> analyzer -> judge (edge.rules) -> evidence queue -> evidence writer ->
publisher -> outbox. `camera_worker` drives one camera, `scheduler` chooses the next one, `build`
puts them together from the settings; `offline` runs the same parts in step over a recording.
"""
