"""Data to tune and judge models with: files to rows, rows to items, and their splits."""
