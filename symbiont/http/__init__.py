"""The API over loopback HTTP: admit, parse, call the service, encode. No rule of the domain lives here.

app.py      the application, built                 routes.py   the route table, one tiny handler each
edge.py     around every request: JSON comes out   openapi.py  the document made from that table (examples.py)
gate.py     the way into the supervision tree      encode.py   views and refusals as JSON
guard.py    who may ask: Host, Origin, media type  listen.py   sockets, opened early; protocol.py: below the app
body.py     reading a body; parse.py: its meaning  wording.py  how a caller's value is quoted
"""
