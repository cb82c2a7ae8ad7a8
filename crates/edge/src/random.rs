//! Random bytes of the operating system, drawn in blocks: one call to it serves many visitors.

/// Bytes of one block.
const BLOCK: usize = 4096;

/// Random bytes of one core.
pub(crate) struct Random {
    block: Box<[u8; BLOCK]>,
    used: usize,
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random")
    }
}

impl Default for Random {
    fn default() -> Self {
        Self { block: Box::new([0; BLOCK]), used: BLOCK }
    }
}

impl Random {
    /// Fresh bytes; [`None`] if the operating system has none, which ends the request, not the process.
    pub(crate) fn bytes<const N: usize>(&mut self) -> Option<[u8; N]> {
        if self.used + N > BLOCK {
            getrandom::fill(self.block.as_mut_slice()).ok()?;
            self.used = 0;
        }
        let part = self.block.get_mut(self.used..self.used + N)?;
        let bytes = <[u8; N]>::try_from(&*part).ok()?;
        part.fill(0); // not kept longer than needed
        self.used += N;
        Some(bytes)
    }

    /// A random number; 0 if the operating system has none.
    pub(crate) fn word(&mut self) -> u64 {
        self.bytes().map_or(0, u64::from_be_bytes)
    }
}
