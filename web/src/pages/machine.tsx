export function MachinePage() { return <p>MachinePage</p> }
