export function Vlans() { return <p>Vlans</p> }
