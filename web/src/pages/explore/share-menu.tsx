// A link to what is shown: to whatever the last hour is then, or to this very time.
import { Menu } from '@mantine/core'
import { Share2 } from 'lucide-react'
import { useState } from 'react'
import { copyText, CopyButton } from '../../parts/copy.tsx'
import { useClock } from '../../time/clock.tsx'
import { boundsOf, durationCode } from '../../time/span.ts'
import { fixedUrl } from '../../url/search.ts'

export function ShareMenu() {
  const clock = useClock()
  const [said, setSaid] = useState('')
  const { span } = clock
  if (span.kind === 'between') return <CopyButton text={() => location.href} label="Share" className="wide-share" />
  const copy = (text: string) => void copyText(text).then((done) => setSaid(done ? 'Link copied' : 'Not copied'))
  return (
    <>
      <Menu position="bottom-end" withinPortal onOpen={() => setSaid('')}>
        <Menu.Target>
          <button type="button" className="button small-button wide-share">
            <Share2 size={13} aria-hidden="true" /> {said === '' ? 'Share' : said}
          </button>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Item onClick={() => copy(fixedUrl(location.href, boundsOf(span, clock.now())))}>
            Copy a link to this time
          </Menu.Item>
          <Menu.Item onClick={() => copy(location.href)}>
            Copy a link to always the last {durationCode(span.ms)}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
      <span className="sr" role="status">
        {said}
      </span>
    </>
  )
}
