// Sets the colour scheme before the first paint, so that a dark console never flashes white.
;(function () {
  var chosen = null
  try {
    chosen = localStorage.getItem('vnetscope-scheme')
  } catch {
    // No storage: follow the system.
  }
  var dark = chosen === 'dark' || (chosen !== 'light' && matchMedia('(prefers-color-scheme: dark)').matches)
  document.documentElement.setAttribute('data-mantine-color-scheme', dark ? 'dark' : 'light')
})()
