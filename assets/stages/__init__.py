"""The assets, a module for each stage; ratings have their own training and evaluation."""
