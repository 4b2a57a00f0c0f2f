"""Tests of Anju: unit (no I/O), integration (real servers), acceptance (timelines), chaos (kill, cut, freeze)."""
