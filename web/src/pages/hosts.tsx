export function Hosts() { return <p>Hosts</p> }
