//! The texts of ids.

use super::naming::is_table_name;
use crate::error::IdError;

/// Digits and check symbols: no `i`, `l`, `o`, `u` and `z`, which are read as others. Their count is prime, so that
/// every weight below has an inverse, on which the promise to find mistakes rests.
const SYMBOLS: &[u8; 31] = b"0123456789abcdefghjkmnpqrstvwxy";
const BASE: u64 = SYMBOLS.len() as u64;

/// The text of an id of the table with this name; for messages about tables whose type is not at hand.
pub(crate) fn id_text(table: &str, number: u64) -> String {
    let mut digits = Vec::new();
    let mut rest = number;
    loop {
        digits.push((rest % BASE) as usize);
        rest /= BASE;
        if rest == 0 {
            break;
        }
    }
    let mut text = String::with_capacity(table.len() + digits.len() + 2);
    text.push_str(table);
    text.push('_');
    text.extend(digits.iter().rev().map(|&digit| char::from(SYMBOLS[digit])));
    text.push(char::from(SYMBOLS[check_symbol(table, number)]));
    text
}

/// The sum of the digits, weighted 1, 2, … from the last, plus the table's name as a number, modulo the base.
///
/// With the check symbol itself counted as weight -1, all weights (at most 13, for that many digits fill 64 bits)
/// differ and none is zero: a wrong symbol changes the sum, and so does a swap of any two different ones.
fn check_symbol(table: &str, number: u64) -> usize {
    let mut sum = table.bytes().fold(0, |sum, byte| (sum * 256 + u64::from(byte)) % BASE);
    let mut rest = number;
    let mut weight = 1;
    while rest > 0 {
        sum += rest % BASE * weight;
        rest /= BASE;
        weight += 1;
    }
    (sum % BASE) as usize
}

/// Reads digits and check symbol of an id of the table with this name.
fn parse_number(table: &str, symbols: &str) -> Result<u64, &'static str> {
    let mut values = [0; 14];
    let values = values.get_mut(..symbols.len()).ok_or("it is too long")?;
    for (value, symbol) in values.iter_mut().zip(symbols.bytes()) {
        *value = SYMBOLS.iter().position(|&known| known == symbol).ok_or("a symbol is none that ids are made of")?;
    }
    let Some((check, digits)) = values.split_last().filter(|(_, digits)| !digits.is_empty()) else {
        return Err("it is too short");
    };
    if digits.len() > 1 && digits[0] == 0 {
        return Err("it begins with a zero");
    }
    let mut number: u64 = 0;
    for &digit in digits {
        let shifted = number.checked_mul(BASE).and_then(|shifted| shifted.checked_add(digit as u64));
        number = shifted.ok_or("its number is too large")?;
    }
    if *check == check_symbol(table, number) { Ok(number) } else { Err("it is mistyped") }
}

/// The number of the id with this text, of the table with this name.
pub(super) fn parse_id(expected: &'static str, text: &str) -> Result<u64, IdError> {
    let malformed = |reason| IdError::Malformed { text: text.to_owned(), expected, reason };
    let (table, symbols) = text.rsplit_once('_').ok_or_else(|| malformed("it names no table"))?;
    let number = parse_number(table, symbols);
    if table == expected {
        return number.map_err(malformed);
    }
    // The check symbol covers the table's name: only if it fits is this another table's id and not a slip in ours.
    match number {
        Ok(_) if is_table_name(table) => {
            Err(IdError::WrongTable { text: text.to_owned(), found: table.to_owned(), expected })
        }
        Ok(_) | Err(_) => Err(malformed("it does not begin with the table's name")),
    }
}

/// The same where only a yes or no is wanted.
pub(super) fn number_of(table: &str, text: &str) -> Option<u64> {
    let (found, symbols) = text.rsplit_once('_')?;
    if found == table { parse_number(table, symbols).ok() } else { None }
}

/// The table and the number of an id of whatever table.
pub(crate) fn id_of_any_table(text: &str) -> Result<(&str, u64), &'static str> {
    let (table, symbols) = text.rsplit_once('_').ok_or("it names no table")?;
    Ok((table, parse_number(table, symbols)?))
}
