//! Formats of later releases, and content that this one does not understand.

use redb::TableDefinition;

use super::*;
use crate::{
    Db, Error, RowError,
    prelude::*,
    storage::base::{blocks::BLOCK_BYTES, failure::failed},
};

schema! {
    table Row in "rows" { number: u64 } with {
        unique by_number (number);
    }
}

#[test]
fn a_newer_format_of_the_tables_is_an_error_that_says_so() {
    let (disk, base) = written(1);
    let write = base.instances.with(|database| database.begin_write().map_err(failed)).unwrap().0;
    write.open_table(TableDefinition::<&str, u64>::new("tropism")).unwrap().insert("format", 99).unwrap();
    write.commit().unwrap();
    base.close().unwrap();
    let error = open(&disk).map(drop).unwrap_err();
    assert!(matches!(&error, OpenError::NewerFormat { file, found: 99, supported: 1 } if file == BASE_FILE), "{error}");
}

#[test]
fn a_newer_format_of_the_file_is_an_error_that_says_so() {
    let (disk, base) = written(1);
    base.close().unwrap();
    let file = disk.open(BASE_FILE).unwrap();
    for copy in 0..4 {
        let mut block = [0; BLOCK_BYTES];
        file.read_at(copy * BLOCK_BYTES as u64, &mut block).unwrap();
        block[8] = 7;
        let checksum = xxhash_rust::xxh3::xxh3_64_with_seed(&block[..BLOCK_BYTES - 8], copy);
        block[BLOCK_BYTES - 8..].copy_from_slice(&checksum.to_le_bytes());
        file.write_at(copy * BLOCK_BYTES as u64, &block).unwrap();
    }
    let error = open(&disk).map(drop).unwrap_err();
    assert!(matches!(&error, OpenError::NewerFormat { file, found: 7, supported: 1 } if file == BASE_FILE), "{error}");
}

#[test]
fn a_file_that_is_no_base_is_an_error() {
    for content in [Vec::new(), b"hello".to_vec(), vec![0; 1 << 20], b"redb".repeat(10_000)] {
        let disk = SimulatedDisk::new(1);
        disk.create(BASE_FILE).unwrap().write_at(0, &content).unwrap();
        let error = open(&disk).map(drop).unwrap_err();
        assert!(matches!(&error, OpenError::Storage(StorageError::Corrupt { file, .. }) if file == BASE_FILE));
        assert_eq!(disk.read_file(BASE_FILE).unwrap(), content, "it is left as it was");
    }
}

#[test]
fn a_row_that_does_not_decode_is_an_error_that_names_it_and_the_others_are_read() -> Result<(), Error> {
    let disk = SimulatedDisk::new(1);
    let open_db = || Db::builder().tables::<Row>().driven_by_hand().open_on(disk.clone());
    let db = open_db()?;
    (0..10).try_for_each(|number| db.write(|tx| tx.insert(Row { number })).map(drop))?;
    db.close()?;
    let (base, figures) = open(&disk)?;
    let damaged = BTreeMap::from([(key(16, &4_u64.to_be_bytes()), Some(vec![0, 1, 2]))]);
    assert!(base.snapshot()?.get_row(16, 4, <[u8]>::len)?.is_some());
    apply_all(&base, &damaged, figures)?;
    base.close()?;
    let db = open_db()?;
    assert!(db.read(|tx| tx.query(Row::by_number).eq(3).first()).is_err());
    let error = db.read(|tx| tx.query(Row::by_id).collect()).unwrap_err();
    let Error::Row(RowError::Decode { row, .. }) = &error else { panic!("{error}") };
    assert!(row.starts_with("rows_4"), "{error}");
    assert_eq!(db.read(|tx| tx.query(Row::by_number).eq(7).unique())?.unwrap().number, 7);
    Ok(())
}
