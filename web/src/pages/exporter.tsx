export function ExporterPage() { return <p>ExporterPage</p> }
