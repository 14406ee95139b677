// Elements of the page, and what has the focus.

export const $ = (id) => document.getElementById(id);

export function make(tag, properties = {}, ...inside) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...inside.filter((one) => one != null));
  return element;
}

/** The focus goes back to `had` where it was lost meanwhile; to `to` where `had` is hidden. So who works by keyboard stays in place. */
export function hold(had, to = had) {
  const { activeElement, body } = document;
  if (had !== body && !activeElement.offsetParent) (had.offsetParent ? had : to).focus({ preventScroll: true });
}
