"""Does a team coordinate, and how: measures that training has recorded."""
