export function VlanPage() { return <p>VlanPage</p> }
