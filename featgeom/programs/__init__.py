"""Networks stored as programs (TorchScript, torch.export, ONNX), interpreted → torch modules."""
