//! Build, test and tidy commands of the repository.

fn main() {}
