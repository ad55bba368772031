import { Check, Copy } from 'lucide-react'
import { useEffect, useState } from 'react'

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    // Without HTTPS there is no clipboard API; the old way still works from a click.
    const area = document.createElement('textarea')
    area.value = text
    area.style.position = 'fixed'
    area.style.opacity = '0'
    document.body.append(area)
    area.select()
    const done = document.execCommand('copy')
    area.remove()
    return done
  }
}

export function CopyButton({
  text,
  label = 'Copy',
  className = '',
}: {
  readonly text: string | (() => string)
  readonly label?: string
  readonly className?: string
}) {
  const [done, setDone] = useState(false)
  useEffect(() => {
    if (!done) return
    const timer = setTimeout(() => setDone(false), 1500)
    return () => clearTimeout(timer)
  }, [done])
  const link = className === 'link'
  const button = (
    <button
      type="button"
      className={link ? 'link' : `button small-button ${className}`}
      onClick={() => void copyText(typeof text === 'string' ? text : text()).then(setDone)}
    >
      {link ? null : done ? <Check size={13} aria-hidden="true" /> : <Copy size={13} aria-hidden="true" />}
      {done ? 'Copied' : label}
    </button>
  )
  return (
    <>
      {button}
      <span className="sr" role="status">
        {done ? 'Copied' : ''}
      </span>
    </>
  )
}
