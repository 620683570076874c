//! Counts the allocations of a process that asks for it; what librdkafka allocates in C is not counted.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

static ARE_COUNTED: AtomicBool = AtomicBool::new(false);
static COUNT: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static OF_THIS_THREAD: Cell<u64> = const { Cell::new(0) };
}

/// The system's allocator, and a counter that is off until [`start`].
pub struct CountingAllocator;

/// Counts from now on.
pub fn start() {
    ARE_COUNTED.store(true, Ordering::Relaxed);
}

/// How many there were.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// How many there were on this thread.
pub fn of_this_thread() -> u64 {
    OF_THIS_THREAD.get()
}

fn note() {
    if ARE_COUNTED.load(Ordering::Relaxed) {
        COUNT.fetch_add(1, Ordering::Relaxed);
        OF_THIS_THREAD.set(OF_THIS_THREAD.get() + 1);
    }
}

#[expect(unsafe_code, reason = "an allocator is")]
// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as the caller promises.
        unsafe { System.realloc(pointer, layout, size) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }
}
