"""The workers as the server sees them: started, watched, asked, replaced."""
