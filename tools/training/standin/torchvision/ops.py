# SPDX-License-Identifier: AGPL-3.0-or-later
"""Non-maximum suppression in plain torch, with the signature of torchvision.ops.nms."""

import torch


def nms(boxes: torch.Tensor, scores: torch.Tensor, iou_threshold: float) -> torch.Tensor:
    """Indices of the boxes kept, best score first. boxes: (n, 4) x1 y1 x2 y2; scores: (n,)."""
    order = scores.argsort(descending=True)
    ordered = boxes[order]
    area = (ordered[:, 2:] - ordered[:, :2]).clamp(min=0).prod(1)
    alive = torch.ones(len(order), dtype=torch.bool, device=boxes.device)
    keep = []
    for i in range(len(order)):
        if not alive[i]:
            continue
        keep.append(i)
        low = torch.maximum(ordered[i, :2], ordered[i + 1 :, :2])
        high = torch.minimum(ordered[i, 2:], ordered[i + 1 :, 2:])
        overlap = (high - low).clamp(min=0).prod(1)
        union = area[i] + area[i + 1 :] - overlap
        alive[i + 1 :] &= overlap <= iou_threshold * union.clamp(min=1e-9)
    return order[keep]
