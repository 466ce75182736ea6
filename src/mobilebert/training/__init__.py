"""Fine-tuning: from data to a measured model (needs PyTorch)."""
