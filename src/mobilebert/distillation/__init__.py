"""Knowledge transfer from a teacher to a student: objectives, strategies, copies and checks."""
