//! The base on disks that crash, fail and are damaged.
