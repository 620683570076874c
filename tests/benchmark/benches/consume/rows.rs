//! What is measured: each row varies one factor of [`Row::default`].

use std::fmt;

use clap::{Args, ValueEnum};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Order {
    Partition,
    Key,
    None,
    Batch,
    /// Batches whose records keep no order
    BatchNone,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compression {
    None,
    Lz4,
    Zstd,
}

/// What a handler does besides counting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Work {
    Count,
    /// 1 in 100 records fails once, and 1 in 1000 is dead-lettered; 1 ms before each further attempt
    Fail,
    /// 1 in 1000 records is dead-lettered after its first attempt
    Refuse,
    /// Waits for 1 ms, 256 records at once
    Wait,
    /// Computes for 2 ms
    Compute,
}

/// One cell of the table.
#[derive(Args, Clone, Debug, PartialEq)]
pub(crate) struct Row {
    #[arg(long, value_enum, default_value = "partition")]
    pub(crate) order: Order,
    /// Event types, each with a handler: 1, 3 or 30
    #[arg(long, default_value_t = 3)]
    pub(crate) types: u64,
    /// Handlers whose contracts borrow from the record
    #[arg(long)]
    pub(crate) borrowed: bool,
    #[arg(long, default_value_t = 3)]
    pub(crate) partitions: i32,
    /// Nine of ten records lie in one partition
    #[arg(long)]
    pub(crate) hot: bool,
    /// Different keys
    #[arg(long, default_value_t = 1000)]
    pub(crate) keys: u64,
    /// Bytes of a record's value
    #[arg(long, default_value_t = 136)]
    pub(crate) size: usize,
    #[arg(long, value_enum, default_value = "none")]
    pub(crate) compression: Compression,
    #[arg(long, value_enum, default_value = "count")]
    pub(crate) work: Work,
    /// Consumer groups that all read the topic: 1 or 4
    #[arg(long, default_value_t = 1)]
    pub(crate) groups: u64,
    /// Without a subscriber for the lines that a service logs
    #[arg(long)]
    pub(crate) no_log: bool,
    /// Records in the topic
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) records: u64,
    /// How many of them the loop by hand reads; all of them by default
    #[arg(long)]
    pub(crate) by_hand: Option<u64>,
}

impl Default for Row {
    fn default() -> Self {
        Row {
            order: Order::Partition,
            types: 3,
            borrowed: false,
            partitions: 3,
            hot: false,
            keys: 1000,
            size: 136,
            compression: Compression::None,
            work: Work::Count,
            groups: 1,
            no_log: false,
            records: 1_000_000,
            by_hand: None,
        }
    }
}

impl Row {
    /// What the topic is like: rows that have it in common read the same records.
    pub(crate) fn data(&self) -> impl PartialEq + use<> {
        let Row { types, partitions, hot, keys, size, compression, records, .. } = self;
        (*types, *partitions, *hot, *keys, *size, *compression, *records)
    }

    /// Whether the loops that only decode say something about it.
    pub(crate) fn only_decodes(&self) -> bool {
        self.groups == 1 && matches!(self.work, Work::Count | Work::Fail | Work::Refuse)
    }

    /// The same without failures, for a row that has some.
    pub(crate) fn clean(&self) -> Option<Row> {
        let fails = matches!(self.work, Work::Fail | Work::Refuse);
        fails.then(|| Row { work: Work::Count, ..self.clone() })
    }

    /// The flags of a process that measures this row.
    pub(crate) fn flags(&self) -> Vec<String> {
        let name = |value: &dyn fmt::Debug| format!("{value:?}").to_lowercase();
        let order = self.order.to_possible_value().map(|order| order.get_name().to_owned());
        let mut flags = vec![
            format!("--order={}", order.unwrap_or_default()),
            format!("--types={}", self.types),
            format!("--partitions={}", self.partitions),
            format!("--keys={}", self.keys),
            format!("--size={}", self.size),
            format!("--compression={}", name(&self.compression)),
            format!("--work={}", name(&self.work)),
            format!("--groups={}", self.groups),
            format!("--records={}", self.records),
        ];
        flags.extend(self.borrowed.then(|| "--borrowed".to_owned()));
        flags.extend(self.no_log.then(|| "--no-log".to_owned()));
        flags.extend(self.hot.then(|| "--hot".to_owned()));
        flags.extend(self.by_hand.map(|count| format!("--by-hand={count}")));
        flags
    }
}

/// The rows of `--quick`.
pub(crate) const QUICK: usize = 5;

/// All rows; those of `--quick` come first.
pub(crate) fn rows() -> Vec<(&'static str, Row)> {
    let row = Row::default;
    let few = |records| Row { records, ..Row::default() };
    vec![
        ("default: 3 types, 3 partitions, owned", row()),
        ("borrowed", Row { borrowed: true, ..row() }),
        ("order = key, 1000 keys", Row { order: Order::Key, ..row() }),
        ("batch, 3 types", Row { order: Order::Batch, ..row() }),
        ("order = key, 1M keys", Row { order: Order::Key, keys: 1_000_000, ..row() }),
        ("order = none", Row { order: Order::None, ..row() }),
        ("1 type", Row { types: 1, ..row() }),
        ("batch, 3 types, order = none", Row { order: Order::BatchNone, ..row() }),
        ("batch, 1 type", Row { types: 1, order: Order::Batch, ..row() }),
        ("30 types", Row { types: 30, ..row() }),
        ("1 partition", Row { partitions: 1, ..row() }),
        ("12 partitions", Row { partitions: 12, ..row() }),
        ("60 partitions", Row { partitions: 60, ..row() }),
        ("60 partitions, one of them hot", Row { partitions: 60, hot: true, ..row() }),
        ("1 KiB", Row { size: 1024, ..few(400_000) }),
        ("10 KiB", Row { size: 10_240, ..few(60_000) }),
        ("lz4", Row { compression: Compression::Lz4, ..row() }),
        ("zstd", Row { compression: Compression::Zstd, ..row() }),
        ("failures: 1 % once, 0.1 % for good", Row { work: Work::Fail, ..row() }),
        ("failures, order = key", Row { work: Work::Fail, order: Order::Key, ..row() }),
        ("failures, order = none", Row { work: Work::Fail, order: Order::None, ..row() }),
        ("0.1 % dead-lettered at once", Row { work: Work::Refuse, ..row() }),
        ("no log", Row { no_log: true, ..row() }),
        ("4 groups", Row { groups: 4, ..few(500_000) }),
        (
            "waits 1 ms, 256 at once",
            Row { work: Work::Wait, order: Order::Key, by_hand: Some(2_000), ..few(200_000) },
        ),
        (
            "computes 2 ms, order = key",
            Row { work: Work::Compute, order: Order::Key, by_hand: Some(1_000), ..few(2_000) },
        ),
    ]
}
