"""What a run says of its classes and images is what its stored labels mean."""

import numpy as np
import torch
from torch import nn

from featgeom.models.architectures import ARCHITECTURES, register
from featgeom.models.checkpoints import save_checkpoint
from featgeom.models.pixel_spec import PixelSpec
from featgeom.runs.making import make_run


def test_class_names_follow_the_network_where_the_images_order_them_otherwise(tmp_path):
    # the network's class 0 is "white", the images' class 0 is "black"; the network tells them apart
    register("brightness", lambda: nn.Sequential(nn.Flatten(), nn.Linear(4, 2), nn.ReLU(), nn.Linear(2, 2)))
    try:
        net = ARCHITECTURES["brightness"].build()
        with torch.no_grad():
            net[1].weight.copy_(torch.tensor([[1.0] * 4, [-1.0] * 4]))
            net[1].bias.copy_(torch.tensor([0.0, 4.0]))
            net[3].weight.copy_(torch.eye(2))
            net[3].bias.zero_()
        path = tmp_path / "net.safetensors"
        save_checkpoint(path, net, "brightness", {}, PixelSpec((1, 2, 2)), ("white", "black"))
        images = np.stack([np.zeros((2, 2)), np.ones((2, 2))] * 5).astype(np.float32)
        np.savez(tmp_path / "i.npz", images=images, labels=[0, 1] * 5, classes=["black", "white"])
        run = make_run(tmp_path / "run", str(path), f"npz:{tmp_path / 'i.npz'}")
        feats = run.features(run.splits[0])
        assert run.classes == feats.classes == ("white", "black")
        assert feats.accuracy == 1.0
        assert [run.classes[k] for k in feats.labels[:2]] == ["black", "white"]
    finally:
        del ARCHITECTURES["brightness"]


def test_a_source_without_a_file_can_be_opened_again(tmp_path):
    net = nn.Sequential(nn.Flatten(), nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 2))
    register("points", lambda: net)
    try:
        path = tmp_path / "net.safetensors"
        save_checkpoint(path, net, "points", {}, PixelSpec((1, 1, 2), bounds=(-1.0, 2.0)))
        run = make_run(tmp_path / "run", str(path), "synthetic:blobs")
        split = run.splits[0]
        assert run.images(split).hash == run.asked["data"]["splits"][split]["sha256"]
    finally:
        del ARCHITECTURES["points"]
