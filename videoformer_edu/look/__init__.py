"""Any video through any model of the course, and where the model looked as one HTML page.

    python -m videoformer_edu.look clip.mp4 --model timesformer_display --out page.html
"""
