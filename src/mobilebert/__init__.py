"""MobileBERT, complete and standalone."""
