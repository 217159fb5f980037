//! The command line: everything is in `cli`.

fn main() -> std::process::ExitCode {
    andon::cli::main()
}
