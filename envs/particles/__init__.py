"""Point masses and discs in the plane: navigation, predator-prey, treasure collection, tag."""
