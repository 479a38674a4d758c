"""Tests of the infrastructure's own code."""
