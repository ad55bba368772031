export function Machines() { return <p>Machines</p> }
