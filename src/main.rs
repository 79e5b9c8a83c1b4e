//! The program `tmpose`: everything it does is in the library's `cli` folder.

fn main() -> std::process::ExitCode {
    tmpose::cli::main()
}
