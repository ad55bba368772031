// A reporter of node:test that says at the end how many tests passed and how many didn't, as JSON.

export default async function* count(source) {
  let counts
  for await (const event of source) {
    // The summary of the whole run is the one that names no file.
    if (event.type === 'test:summary' && event.data.file === undefined) counts = event.data.counts
  }
  if (counts)
    yield JSON.stringify({
      passed: counts.passed,
      failed: counts.failed + counts.cancelled,
      skipped: counts.skipped + counts.todo,
    })
}
