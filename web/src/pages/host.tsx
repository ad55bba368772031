export function HostPage() { return <p>HostPage</p> }
