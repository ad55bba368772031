export function Conversations() { return <p>Conversations</p> }
