"""Answers of the people who were told: what one means (pure), who gave it, what it does, and what is said in return."""
