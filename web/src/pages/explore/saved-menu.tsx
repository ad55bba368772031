// Saved views and filters: opened, saved under a name, removed. They are the server's, so colleagues have them too.
import { Popover } from '@mantine/core'
import { useNavigate } from '@tanstack/react-router'
import { Bookmark, ChevronDown, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { problemFrom } from '../../api/client.ts'
import { useKeep, useSavedFilters, useViews } from '../../api/saved.ts'
import type { Kept } from '../../api/saved.ts'
import { Segments } from '../../parts/segments.tsx'
import { viewTarget } from '../../url/search.ts'

const KINDS = [
  { value: 'views', label: 'Views' },
  { value: 'filters', label: 'Filters' },
] as const

export interface SavedMenuProps {
  /** The filter as it stands in the editor. */
  readonly filter: string
  readonly onFilter: (filter: string) => void
}

export function SavedMenu({ filter, onFilter }: SavedMenuProps) {
  const [open, setOpen] = useState(false)
  const [kind, setKind] = useState<Kept>('views')
  return (
    <Popover opened={open} onChange={setOpen} position="bottom-end" trapFocus returnFocus withinPortal>
      <Popover.Target>
        <button type="button" className="button saved-button" aria-expanded={open} onClick={() => setOpen(!open)}>
          <Bookmark size={14} aria-hidden="true" /> Saved <ChevronDown size={13} aria-hidden="true" />
        </button>
      </Popover.Target>
      <Popover.Dropdown>
        <div className="saved-menu">
          <Segments label="Saved" value={kind} options={KINDS} onChange={setKind} tight />
          <Save key={kind} kind={kind} filter={filter} />
          {kind === 'views' ? (
            <Views onOpened={() => setOpen(false)} />
          ) : (
            <Filters
              onChosen={(name) => {
                onFilter(filter.trim() === '' ? `@${name}` : `(${filter.trim()}) and @${name}`)
                setOpen(false)
              }}
            />
          )}
        </div>
      </Popover.Dropdown>
    </Popover>
  )
}

/** A name to save under; one that is taken is replaced, and the button says so. */
function Save({ kind, filter }: { readonly kind: Kept; readonly filter: string }) {
  const [name, setName] = useState('')
  const keep = useKeep()
  const views = useViews().data?.views
  const filters = useSavedFilters().data?.filters
  const taken = (kind === 'views' ? views : filters)?.some((one) => one.name === name.trim()) ?? false
  const content = kind === 'views' ? `${location.pathname}${location.search}` : filter.trim()
  const nothing = kind === 'filters' && content === ''
  return (
    <form
      className="saved-form"
      onSubmit={(event) => {
        event.preventDefault()
        if (name.trim() !== '' && !nothing)
          keep.mutate({ kind, name: name.trim(), content }, { onSuccess: () => setName('') })
      }}
    >
      <input
        className="field"
        data-autofocus
        aria-label={kind === 'views' ? 'Name for this view' : 'Name for this filter'}
        placeholder={kind === 'views' ? 'Save this view as' : 'Save this filter as'}
        value={name}
        onChange={(event) => setName(event.currentTarget.value)}
      />
      <button type="submit" className="button" disabled={name.trim() === '' || nothing || keep.isPending}>
        {taken ? 'Replace' : 'Save'}
      </button>
      <p className={`small ${keep.error ? 'bad' : 'dim'}`} role="status">
        {keep.error
          ? [problemFrom(keep.error).detail ?? problemFrom(keep.error).title, problemFrom(keep.error).hint].join(' ')
          : keep.isSuccess && name === ''
            ? 'Saved, for everyone who uses this server.'
            : nothing
              ? 'Type a filter first.'
              : kind === 'views'
                ? 'Filter, groups, picture and time, as the URL has them.'
                : 'Used in other filters as @name.'}
      </p>
    </form>
  )
}

function Views({ onOpened }: { readonly onOpened: () => void }) {
  const navigate = useNavigate()
  const views = useViews()
  return (
    <Names
      kind="views"
      of={views.data?.views.map(({ name, url }) => ({ name, note: url }))}
      error={views.error}
      onChoose={(name) => {
        const url = views.data?.views.find((view) => view.name === name)?.url
        if (url === undefined) return
        void navigate(viewTarget(url) as never)
        onOpened()
      }}
    />
  )
}

function Filters({ onChosen }: { readonly onChosen: (name: string) => void }) {
  const filters = useSavedFilters()
  return (
    <Names
      kind="filters"
      of={filters.data?.filters.map(({ name, filter }) => ({ name, note: filter }))}
      error={filters.error}
      onChoose={onChosen}
    />
  )
}

function Names({
  kind,
  of,
  error,
  onChoose,
}: {
  readonly kind: Kept
  readonly of: readonly { readonly name: string; readonly note: string }[] | undefined
  readonly error: Error | null
  readonly onChoose: (name: string) => void
}) {
  const keep = useKeep()
  if (error) return <p className="small bad">{problemFrom(error).title}</p>
  if (!of) return <p className="small dim">Asking…</p>
  return (
    <>
      {of.length === 0 ? <p className="small dim">None is saved yet.</p> : null}
      <ul className="saved-list" aria-label={kind === 'views' ? 'Saved views' : 'Saved filters'}>
        {of.map(({ name, note }) => (
          <li key={name}>
            <button type="button" className="saved-name" onClick={() => onChoose(name)} title={note}>
              <span className="strong">{name}</span> <span className="dim small truncate">{note}</span>
            </button>
            <button
              type="button"
              className="button icon small-button"
              aria-label={`Remove ${name}`}
              onClick={() => keep.mutate({ kind, name })}
            >
              <Trash2 size={13} aria-hidden="true" />
            </button>
          </li>
        ))}
      </ul>
      {keep.error ? (
        <p className="small bad" role="status">
          {problemFrom(keep.error).detail ?? problemFrom(keep.error).title}
        </p>
      ) : null}
    </>
  )
}
