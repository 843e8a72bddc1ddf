"""Dataset sources, brought to images and labels."""
