//! Empty: this crate only names packages (see Cargo.toml).
