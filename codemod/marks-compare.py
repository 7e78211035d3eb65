"""compare.py A B: pages alike byte for byte but for white space (and random keys, which are masked)."""
import json,re,sys
a,b=(json.load(open(f)) for f in sys.argv[1:3])
H=re.compile(r"\b[0-9a-f]*#[0-9a-f#-]*")
ws=lambda t:H.sub("#",re.sub(r"\s+"," ",t))
tight=lambda t:re.sub(r" ?(<[^>]*>) ?",r"\1",ws(t)).replace('value="##"','value="#"')
print(len(a),len(b),"pages; errors",sum(v.startswith("ERR") for v in b.values()),"; alike", sum(ws(a[k])==ws(b.get(k,"")) for k in a))
for k in sorted(set(a)|set(b)):
    x,y=ws(a.get(k,"")),ws(b.get(k,""))
    if x!=y:
        t="TAG-EDGE SPACE ONLY" if tight(x)==tight(y) else "OTHER"
        i=next((i for i,(c,d) in enumerate(zip(x,y)) if c!=d),min(len(x),len(y)))
        print(t,k[:60],"\n   A",repr(x[max(0,i-60):i+60]),"\n   B",repr(y[max(0,i-60):i+60]))
