//! What came of a run, and its form between processes: a line of numbers, and a line a violation.

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub seed: u64,
    pub trace_hash: u64,
    pub violations: Vec<String>,
    pub lines: Vec<String>,
    pub members: u64,
    pub operations: u64,
    pub crashes: u64,
    pub partitions: u64,
    pub other_faults: u64,
    pub leaders: u64,
    pub installs: u64,
    pub revision: u64,
    pub virtual_ms: u64,
}

const NUMBERS: &str = "REPORT";

/// Before the text of a violation, on standard output.
pub const VIOLATION: &str = "VIOLATION";

impl Report {
    /// For the process that asked for the run.
    pub fn print(&self) {
        let numbers = [
            self.trace_hash,
            self.members,
            self.operations,
            self.crashes,
            self.partitions,
            self.other_faults,
            self.leaders,
            self.installs,
            self.revision,
            self.virtual_ms,
        ];
        println!("{NUMBERS} {}", numbers.map(|number| number.to_string()).join(" "));
        for violation in &self.violations {
            println!("{VIOLATION} {violation}");
        }
    }

    /// Takes in a line of what [`print`](Self::print) wrote.
    pub(crate) fn read(&mut self, line: &str) {
        if let Some(violation) = line.strip_prefix(VIOLATION) {
            self.violations.push(violation.trim().to_owned());
        }
        let Some(numbers) = line.strip_prefix(NUMBERS) else { return };
        let fields = [
            &mut self.trace_hash,
            &mut self.members,
            &mut self.operations,
            &mut self.crashes,
            &mut self.partitions,
            &mut self.other_faults,
            &mut self.leaders,
            &mut self.installs,
            &mut self.revision,
            &mut self.virtual_ms,
        ];
        for (field, number) in fields.into_iter().zip(numbers.split_whitespace()) {
            *field = number.parse().unwrap_or_default();
        }
    }
}
