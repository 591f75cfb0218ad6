"""Policies as graphs of tensors: what ONNX takes, with the history of a user as input."""
