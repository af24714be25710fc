@0xb5a1c2d4e5f60718; using Workerd=import"/workerd/workerd.capnp";const config:Workerd.Config=(v8Flags=["--a",],sockets=[(name="x",http=(style=proxy,injectRequestHeaders=[(name="a",value="b"),(name="c"),],),),],);const
unused
:
List ( List ( Text ) )
=
[ [ "a" ] , [ ] ]
;
