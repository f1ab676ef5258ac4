//! What a file holds, as a value that is cheap to keep many versions of.

use std::{io, iter, ops::Range, sync::Arc};

use imbl::OrdMap;

const PAGE_BYTES: usize = 4096;

/// The content of a file. A clone costs nothing and shares every page until one of the two is written.
///
/// A page that is missing is zeros; bytes of a page past the end of the file are zeros as well.
#[derive(Clone, Default)]
pub(super) struct Image {
    pages: OrdMap<u64, Arc<[u8; PAGE_BYTES]>>,
    size_bytes: u64,
}

impl Image {
    pub(super) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] if the file ends before.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> io::Result<()> {
        let end = offset.checked_add(buffer.len() as u64);
        if end.is_none_or(|end| end > self.size_bytes) {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        for (at, range) in pieces(offset, buffer.len(), PAGE_BYTES) {
            let (page, within) = (at / PAGE_BYTES as u64, (at % PAGE_BYTES as u64) as usize);
            match self.pages.get(&page) {
                Some(bytes) => {
                    let size_bytes = range.len();
                    buffer[range].copy_from_slice(&bytes[within..within + size_bytes]);
                }
                None => buffer[range].fill(0),
            }
        }
        Ok(())
    }

    /// Writes the bytes; the caller has made sure that their end is a number.
    pub(super) fn write(&mut self, offset: u64, written: &[u8]) {
        for (at, range) in pieces(offset, written.len(), PAGE_BYTES) {
            let (page, within) = (at / PAGE_BYTES as u64, (at % PAGE_BYTES as u64) as usize);
            let piece = &written[range];
            if piece.len() == PAGE_BYTES && piece.iter().all(|byte| *byte == 0) {
                self.pages.remove(&page);
                continue;
            }
            let bytes = self.pages.entry(page).or_insert_with(|| Arc::new([0; PAGE_BYTES]));
            Arc::make_mut(bytes)[within..within + piece.len()].copy_from_slice(piece);
        }
        if !written.is_empty() {
            self.size_bytes = self.size_bytes.max(offset + written.len() as u64);
        }
    }

    pub(super) fn resize(&mut self, size_bytes: u64) {
        if size_bytes < self.size_bytes {
            let kept_pages = size_bytes.div_ceil(PAGE_BYTES as u64);
            self.pages = self.pages.split(&kept_pages).0;
            let within = (size_bytes % PAGE_BYTES as u64) as usize;
            if within > 0
                && let Some(last) = self.pages.get_mut(&(kept_pages - 1))
            {
                Arc::make_mut(last)[within..].fill(0);
            }
        }
        self.size_bytes = size_bytes;
    }
}

/// Splits a range of a file at the multiples of `unit`: where each piece begins in the file, and its place in the range.
pub(super) fn pieces(offset: u64, size_bytes: usize, unit: usize) -> impl Iterator<Item = (u64, Range<usize>)> {
    let mut done = 0;
    iter::from_fn(move || {
        if done == size_bytes {
            return None;
        }
        let at = offset + done as u64;
        let left_of_unit = unit - (at % unit as u64) as usize;
        let range = done..size_bytes.min(done + left_of_unit);
        done = range.end;
        Some((at, range))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes_of(image: &Image) -> Vec<u8> {
        let mut bytes = vec![0xAA; image.size_bytes() as usize];
        image.read(0, &mut bytes).unwrap();
        bytes
    }

    #[test]
    fn pieces_meet_at_the_multiples_of_the_unit() {
        assert_eq!(pieces(510, 515, 512).collect::<Vec<_>>(), [(510, 0..2), (512, 2..514), (1024, 514..515)]);
        assert_eq!(pieces(512, 512, 512).collect::<Vec<_>>(), [(512, 0..512)]);
        assert_eq!(pieces(7, 0, 512).count(), 0);
    }

    #[test]
    fn an_image_reads_like_a_vector_of_bytes() {
        let mut image = Image::default();
        let mut model = Vec::new();
        let steps = [(0, 10), (4090, 12), (8192, 4096), (100, 9000), (20_000, 1), (4096, 4096)];
        for (step, (offset, size_bytes)) in steps.into_iter().enumerate() {
            // The last step writes a whole page of zeros, which the image does not keep.
            let written = vec![(step as u8 + 1) % 6; size_bytes];
            image.write(offset as u64, &written);
            model.resize(model.len().max(offset + size_bytes), 0);
            model[offset..offset + size_bytes].copy_from_slice(&written);
            assert!(bytes_of(&image) == model, "after write {step}");
        }
        for size_bytes in [15_000, 4096, 4095, 9000, 0, 5000] {
            image.resize(size_bytes as u64);
            model.resize(size_bytes, 0);
            assert!(bytes_of(&image) == model, "after resize to {size_bytes}");
        }
    }

    #[test]
    fn a_clone_does_not_see_later_writes() {
        let mut image = Image::default();
        image.write(0, b"old");
        let clone = image.clone();
        image.write(0, b"new");
        assert_eq!(bytes_of(&clone), b"old");
    }
}
