//! The node of `node.rs` as the next release would build it: with the feature `next-format`.

#[path = "node.rs"]
mod node;

fn main() -> std::process::ExitCode {
    node::main()
}
