//! The program `tmpose`: everything it does is in the library's `cli` room.

fn main() -> std::process::ExitCode {
    tmpose::cli::main()
}
