//! The one binary: wiring only.
mod client;
mod demo;
mod load;
fn main() -> std::process::ExitCode {
    use clap::Parser;
    #[derive(Parser)]
    enum Cli {
        Load(load::LoadArgs),
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("rt");
    let Cli::Load(args) = Cli::parse();
    runtime.block_on(load::run(args)).expect("it ran")
}
