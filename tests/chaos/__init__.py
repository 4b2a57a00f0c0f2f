"""What happens when something is killed, cut or frozen."""
