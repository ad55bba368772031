export function AddressPage() { return <p>AddressPage</p> }
