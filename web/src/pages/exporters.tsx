export function Exporters() { return <p>Exporters</p> }
