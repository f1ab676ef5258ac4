use tropism::prelude::*;

schema! {
    pub table Task in "tasks" { title: String, size: u8, weight: u8 } with {
        convert priority: String => |old| old.len();
        convert size: String => |old| old.len();
        convert weight: u16 => |old| old as u8;
        convert weight: u32 => |old| old as u8;
    }
}

fn main() {}
